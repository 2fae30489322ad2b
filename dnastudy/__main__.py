"""``python -m dnastudy``, which launchers of several processes need: ``torchrun -m dnastudy train ...``."""

from dnastudy.cli.main import main

if __name__ == "__main__":
    main()
