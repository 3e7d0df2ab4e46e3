"""The models of fit_step.py as one would write them in PyTorch: eager, images in channels-last memory, fused Adam.

    python loop_torch.py cnn

Data, batches and the printed line are those of fit_step.py.
"""

import sys

import numpy as np
import torch
from epochs import BATCH_SIZE, CLASSES, WORDS, data, report
from torch import nn


class LastState(nn.Module):
    """An LSTM layer that gives its last output."""

    def __init__(self, inputs, units):
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0][:, -1]


def mlp():
    return [nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, CLASSES)]


def cnn():
    return [
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(3 * 3 * 64, 64), nn.ReLU(), nn.Linear(64, CLASSES)),
    ]


def conv1d():
    return [
        *(nn.Conv1d(1, 64, 3), nn.ReLU(), nn.Conv1d(64, 64, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(48 * 64, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, CLASSES)),
    ]


def cnn100():
    return [
        *(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(48 * 48 * 64, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, CLASSES)),
    ]


def lstm():
    return [nn.Embedding(WORDS, 128), LastState(128, 100), nn.Linear(100, CLASSES)]


MODELS = {"mlp": mlp, "cnn": cnn, "conv1d": conv1d, "cnn100": cnn100, "lstm": lstm}


def main():
    name = sys.argv[1]
    x, y = data(name)
    model = nn.Sequential(*MODELS[name]())
    x = torch.from_numpy(np.moveaxis(x, -1, 1).copy() if x.ndim > 2 else x)
    y = torch.from_numpy(y)
    if x.ndim == 4:
        x, model = x.to(memory_format=torch.channels_last), model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    loss_of = nn.CrossEntropyLoss()

    def epoch():
        for rows in torch.randperm(len(x)).reshape(-1, BATCH_SIZE):
            batch, labels = x[rows], y[rows]
            optimizer.zero_grad(set_to_none=True)
            logits = model(batch)
            loss = loss_of(logits, labels)
            loss.backward()
            optimizer.step()
            (logits.argmax(dim=1) == labels).float().mean()
        return loss.item()

    report(epoch, name)


if __name__ == "__main__":
    main()
