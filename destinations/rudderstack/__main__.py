"""`destination-rudderstack`, and `python -m destinations.rudderstack`."""

from destinations import runner
from destinations.rudderstack.destination import DestinationRudderStack


def main() -> None:
    runner.main(DestinationRudderStack())


if __name__ == "__main__":
    main()
