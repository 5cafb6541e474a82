"""Top jets in QCD and QCD jets in tops."""
