"""The course's live calculators: one .js and one .py each, on shared code.

In a notebook they are ordinary ipywidgets whose settings are traits; in a built page the same
JavaScript runs with no kernel and no network.
"""

from cnnlib.widgets.batch_norm import BatchNormExplorer
from cnnlib.widgets.conv_explorer import ConvExplorer
from cnnlib.widgets.dropout import DropoutExplorer
from cnnlib.widgets.look_inside import LookInside
from cnnlib.widgets.network_designer import NetworkDesigner
from cnnlib.widgets.pooling import PoolingExplorer
from cnnlib.widgets.receptive_field import ReceptiveField
from cnnlib.widgets.size_calculator import SizeCalculator
from cnnlib.widgets.train_here import TrainHere

WIDGETS = (
    SizeCalculator,
    ConvExplorer,
    ReceptiveField,
    DropoutExplorer,
    BatchNormExplorer,
    PoolingExplorer,
    NetworkDesigner,
    TrainHere,
    LookInside,
)

__all__ = [
    "WIDGETS",
    "BatchNormExplorer",
    "ConvExplorer",
    "DropoutExplorer",
    "LookInside",
    "NetworkDesigner",
    "PoolingExplorer",
    "ReceptiveField",
    "SizeCalculator",
    "TrainHere",
]
