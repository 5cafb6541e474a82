"""`python -m jetnae`: the command line, as `torchrun -m jetnae` starts it."""

from jetnae.cli import main

if __name__ == "__main__":
    main()
