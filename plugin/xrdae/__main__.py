"""`python -m xrdae`, and the command `xrdae`."""

from xrdae.cli import main

if __name__ == "__main__":
    main()
