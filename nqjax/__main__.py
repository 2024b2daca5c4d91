"""The process of the `nqjax` command; `python -m nqjax` is the same."""

from nqjax.runtime import interrupt


def main() -> int:
    """Run the command line in its own process."""
    try:
        interrupt.begin()
        from nqjax.cli import main as run

        status = run()
        if interrupt.is_interrupted():
            interrupt.leave(status)
        interrupt.end()
    except KeyboardInterrupt:  # before or after the work
        return interrupt.STATUS
    return status


if __name__ == "__main__":
    raise SystemExit(main())
