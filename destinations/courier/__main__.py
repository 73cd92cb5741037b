"""`destination-courier`, and `python -m destinations.courier`."""

from destinations import runner
from destinations.courier.destination import DestinationCourier


def main() -> None:
    runner.main(DestinationCourier())


if __name__ == "__main__":
    main()
