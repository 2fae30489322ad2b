"""Progress of a training as lines: each epoch, even where none takes long, and short enough for 80 columns."""

from dnastudy.display.terminal import training_lines
from dnastudy.training.report import Progress


def progress(epoch, share):
    return Progress(share, epoch, 12, 1.31692, 16268.4, 1440, 3.97174 if epoch > 1 else None)


def test_every_epoch_has_a_line():
    lines = []
    report = training_lines("lstm-1", lines.append, every_seconds=1e9)
    for epoch, share in [(1, 0.1), (1, 0.3), (2, 0.4), (2, 0.5), (3, 0.7), (3, 1.0)]:
        report(progress(epoch, share))
    assert [line.split(",")[0] for line in lines] == ["lstm-1: epoch 2/12", "lstm-1: epoch 3/12", "lstm-1: epoch 3/12"]


def test_it_fits_a_terminal_beside_its_bar():
    text = str(progress(10, 0.5))
    assert text == "epoch 10/12, loss 1.317, validation 3.972, 16.3k nt/s, 24 min"
    assert len(text) + len("- ------ 0:00:00 ") <= 80
