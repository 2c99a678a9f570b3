"""The composition root: `python -m mpiop` and the `mpiop` command."""


def main() -> None:
    """Run the command line."""
    from mpiop.cli.main import cli

    cli()


if __name__ == "__main__":
    main()
