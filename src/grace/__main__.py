"""Run the command line as `python -m grace`."""

from grace.cli import main

if __name__ == "__main__":
    main()
