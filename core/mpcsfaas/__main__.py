"""`python -m mpcsfaas`."""

from mpcsfaas.cli import main

if __name__ == "__main__":
    main()
