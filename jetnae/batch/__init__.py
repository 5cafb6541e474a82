"""Scoring thousands of files: shared out in ranges of rows, written down in a ledger, merged file by file."""
