"""How the course writes the names of its nets. Imports nothing."""

__all__ = ["FAMILY", "title"]

# The nets of the course, in its order.
FAMILY = {
    "baseline": "First CNN",
    "lenet5": "LeNet5",
    "alexnet8": "AlexNet8",
    "vgg16": "VGG16",
    "inception10": "Inception10",
    "resnet18": "ResNet18",
}
# The ResNet paper's nets for CIFAR, and the same nets without skips.
_PAPERS = {"resnet20": "ResNet-20", "resnet56": "ResNet-56", "plain20": "plain-20", "plain56": "plain-56"}


def title(net: str) -> str:
    """Return how a net of `cnnlib.models` is called in the text; another name as it is."""
    return (FAMILY | _PAPERS).get(net, net)
