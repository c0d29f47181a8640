"""`python -m refinepoi` is the same program as `refinepoi`."""

from refinepoi.main import main

if __name__ == "__main__":
    main()
