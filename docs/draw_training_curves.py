"""Draw the validation curves of several runs over the time that each had, for the manual.

    python docs/draw_training_curves.py OUT.png "UNet=140=runs/unet" "ConDSeg=31=runs/1=104=runs/2"

A curve is a name, then seconds and run folder of each of its trainings, one after the other. The
time within a run follows from its steps, which all take equally long. Needs no display.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pyqtgraph as pg
import pyqtgraph.exporters
from qtpy.QtWidgets import QApplication

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")
"""Of Okabe and Ito, which people with colour blindness can tell apart."""
WIDTH = 900

Points = list[tuple[float, float]]


def curve(parts: list[str]) -> Points:
    """Give (seconds, Dice) of one training after the other."""
    points: Points = []
    begin = 0.0
    for seconds, run in zip(map(float, parts[::2]), parts[1::2], strict=True):
        log = (Path(run) / "events.jsonl").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in log]
        steps = max(event["step"] for event in events if "step" in event)
        points += [
            (begin + seconds * event["step"] / steps, event["dice"])
            for event in events
            if event["event"] == "validation"
        ]
        begin += seconds
    return points


def main(out: str, *curves: str) -> None:
    """Draw the curves into a picture."""
    app = QApplication.instance() or QApplication([])
    pg.setConfigOptions(background="w", foreground="k", antialias=True)
    plot = pg.PlotWidget()
    plot.resize(WIDTH, WIDTH // 2)
    item = plot.getPlotItem()
    item.setLabel("bottom", "Processor time, seconds")
    item.setLabel("left", "Dice on the validation cases")
    item.getAxis("bottom").enableAutoSIPrefix(False)
    item.setYRange(0, 1, padding=0.02)
    item.addLegend(offset=(-20, -20))
    for colour, text in zip(COLOURS, curves, strict=False):
        name, *parts = text.split("=")
        xs, ys = zip(*curve(parts), strict=True)
        item.plot(
            xs,
            ys,
            pen=pg.mkPen(colour, width=2),
            symbol="o",
            symbolSize=6,
            symbolBrush=colour,
            name=name,
        )
    plot.show()
    app.processEvents()
    exporter = pyqtgraph.exporters.ImageExporter(item)
    exporter.parameters()["width"] = WIDTH
    exporter.export(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
