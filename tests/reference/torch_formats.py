"""One state dict in both formats of torch.save: tests/golden/torch_old.pt (before version 1.6) and torch_new.pt.

    python3 torch_formats.py FOLDER        needs torch; the tests do not
"""
import sys

import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 5, 3, bias=False)
        self.bn = torch.nn.BatchNorm2d(5)
        self.fc = torch.nn.Linear(4, 6)


torch.manual_seed(1)
state = Net().state_dict()
state["turned"] = state["fc.weight"].t()  # a view of a storage that another tensor has, too
state["half"] = torch.arange(6).half().reshape(2, 3)[:, 1:]
state["parameter"] = torch.nn.Parameter(torch.randn(7))
torch.save(state, sys.argv[1] + "/torch_old.pt", _use_new_zipfile_serialization=False)
torch.save(state, sys.argv[1] + "/torch_new.pt")
