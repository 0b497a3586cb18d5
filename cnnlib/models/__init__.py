"""The nets of the course: one file and one builder a net, each a built functional Keras model.

Rules that hold for every net here:

* Images go in as they are stored, 0 to 255: the first layer divides by 255, so the same arrays serve
  training, testing and a reader's own picture, and no half-scaled copy lies about.
* The last layer gives logits (one number a class, no softmax). Use
  ``SparseCategoricalCrossentropy(from_logits=True)``, which takes softmax and logarithm in one stable
  step, and ``keras.ops.softmax`` where probabilities are wanted. It stays float32 under mixed precision.
* Layers and blocks carry names, and layer lists are never copied.
"""

from cnnlib.models.alexnet import alexnet8
from cnnlib.models.baseline import baseline
from cnnlib.models.inception import inception10
from cnnlib.models.lenet import lenet5
from cnnlib.models.resnet import cifar_resnet, resnet18
from cnnlib.models.vgg import vgg16

# In the order of the course.
__all__ = ["baseline", "lenet5", "alexnet8", "vgg16", "inception10", "resnet18", "cifar_resnet"]
