"""The six nets of the lecture notes, written again in the notes' way: a class a net, layers made one by one, softmax at the end.

Only ``benchmarks/training.py`` uses them, as what the course's own nets are timed against. Images go in divided by 255.
Unlike the printed classes, each ``call`` takes ``training`` and hands it on, so that batch normalisation and dropout do
their work: a net that leaves them out would be timed at less than the notes mean.
"""

import keras
from keras import Model
from keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPool2D,
)


class Baseline(Model):
    def __init__(self):
        super().__init__()
        self.c1 = Conv2D(6, (5, 5), padding="same")
        self.b1 = BatchNormalization()
        self.a1 = Activation("relu")
        self.p1 = MaxPool2D((2, 2), strides=2, padding="same")
        self.d1 = Dropout(0.2)
        self.flatten = Flatten()
        self.f1 = Dense(128, activation="relu")
        self.d2 = Dropout(0.2)
        self.f2 = Dense(10, activation="softmax")

    def call(self, x, training=None):
        x = self.c1(x)
        x = self.b1(x, training=training)
        x = self.a1(x)
        x = self.p1(x)
        x = self.d1(x, training=training)
        x = self.flatten(x)
        x = self.f1(x)
        x = self.d2(x, training=training)
        return self.f2(x)


class LeNet5(Model):
    def __init__(self):
        super().__init__()
        self.c1 = Conv2D(6, (5, 5), activation="sigmoid")
        self.p1 = MaxPool2D((2, 2), strides=2)
        self.c2 = Conv2D(16, (5, 5), activation="sigmoid")
        self.p2 = MaxPool2D((2, 2), strides=2)
        self.flatten = Flatten()
        self.f1 = Dense(120, activation="sigmoid")
        self.f2 = Dense(84, activation="sigmoid")
        self.f3 = Dense(10, activation="softmax")

    def call(self, x, training=None):
        x = self.p1(self.c1(x))
        x = self.p2(self.c2(x))
        x = self.flatten(x)
        x = self.f1(x)
        x = self.f2(x)
        return self.f3(x)


class AlexNet8(Model):
    def __init__(self):
        super().__init__()
        self.c1 = Conv2D(96, (3, 3))
        self.b1 = BatchNormalization()
        self.a1 = Activation("relu")
        self.p1 = MaxPool2D((3, 3), strides=2)
        self.c2 = Conv2D(256, (3, 3))
        self.b2 = BatchNormalization()
        self.a2 = Activation("relu")
        self.p2 = MaxPool2D((3, 3), strides=2)
        self.c3 = Conv2D(384, (3, 3), padding="same", activation="relu")
        self.c4 = Conv2D(384, (3, 3), padding="same", activation="relu")
        self.c5 = Conv2D(256, (3, 3), padding="same", activation="relu")
        self.p3 = MaxPool2D((3, 3), strides=2)
        self.flatten = Flatten()
        self.f1 = Dense(2048, activation="relu")
        self.d1 = Dropout(0.5)
        self.f2 = Dense(2048, activation="relu")
        self.d2 = Dropout(0.5)
        self.f3 = Dense(10, activation="softmax")

    def call(self, x, training=None):
        x = self.p1(self.a1(self.b1(self.c1(x), training=training)))
        x = self.p2(self.a2(self.b2(self.c2(x), training=training)))
        x = self.c3(x)
        x = self.c4(x)
        x = self.p3(self.c5(x))
        x = self.flatten(x)
        x = self.d1(self.f1(x), training=training)
        x = self.d2(self.f2(x), training=training)
        return self.f3(x)


class VGG16(Model):
    def __init__(self):
        super().__init__()
        self.groups = []
        for filters, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(convolutions):
                self.groups += [Conv2D(filters, (3, 3), padding="same"), BatchNormalization(), Activation("relu")]
            self.groups += [MaxPool2D((2, 2), strides=2, padding="same"), Dropout(0.2)]
        self.flatten = Flatten()
        self.f1 = Dense(512, activation="relu")
        self.d6 = Dropout(0.2)
        self.f2 = Dense(512, activation="relu")
        self.d7 = Dropout(0.2)
        self.f3 = Dense(10, activation="softmax")

    def call(self, x, training=None):
        for layer in self.groups:
            noisy = isinstance(layer, (BatchNormalization, Dropout))
            x = layer(x, training=training) if noisy else layer(x)
        x = self.flatten(x)
        x = self.d6(self.f1(x), training=training)
        x = self.d7(self.f2(x), training=training)
        return self.f3(x)


class ConvBNRelu(Model):
    def __init__(self, filters, kernel_size=3, strides=1):
        super().__init__()
        convolution = Conv2D(filters, kernel_size, strides=strides, padding="same")
        self.model = keras.Sequential([convolution, BatchNormalization(), Activation("relu")])

    def call(self, x, training=None):
        return self.model(x, training=training)


class InceptionBlk(Model):
    def __init__(self, filters, strides=1):
        super().__init__()
        self.c1 = ConvBNRelu(filters, 1, strides)
        self.c2_1 = ConvBNRelu(filters, 1, strides)
        self.c2_2 = ConvBNRelu(filters, 3)
        self.c3_1 = ConvBNRelu(filters, 1, strides)
        self.c3_2 = ConvBNRelu(filters, 5)
        self.p4_1 = MaxPool2D(3, strides=1, padding="same")
        self.c4_2 = ConvBNRelu(filters, 1, strides)

    def call(self, x, training=None):
        x1 = self.c1(x, training=training)
        x2 = self.c2_2(self.c2_1(x, training=training), training=training)
        x3 = self.c3_2(self.c3_1(x, training=training), training=training)
        x4 = self.c4_2(self.p4_1(x), training=training)
        return keras.ops.concatenate([x1, x2, x3, x4], axis=3)


class Inception10(Model):
    def __init__(self):
        super().__init__()
        self.c1 = ConvBNRelu(16)
        self.blocks = keras.Sequential([InceptionBlk(f, s) for f, s in ((16, 2), (16, 1), (32, 2), (32, 1))])
        self.p1 = GlobalAveragePooling2D()
        self.f1 = Dense(10, activation="softmax")

    def call(self, x, training=None):
        x = self.c1(x, training=training)
        x = self.blocks(x, training=training)
        x = self.p1(x)
        return self.f1(x)


class ResnetBlock(Model):
    def __init__(self, filters, strides=1, projection=False):
        super().__init__()
        self.c1 = Conv2D(filters, (3, 3), strides=strides, padding="same", use_bias=False)
        self.b1 = BatchNormalization()
        self.a1 = Activation("relu")
        self.c2 = Conv2D(filters, (3, 3), padding="same", use_bias=False)
        self.b2 = BatchNormalization()
        self.projection = projection
        if projection:
            self.down_c1 = Conv2D(filters, (1, 1), strides=strides, padding="same", use_bias=False)
            self.down_b1 = BatchNormalization()
        self.a2 = Activation("relu")

    def call(self, x, training=None):
        y = self.a1(self.b1(self.c1(x), training=training))
        y = self.b2(self.c2(y), training=training)
        if self.projection:
            x = self.down_b1(self.down_c1(x), training=training)
        return self.a2(y + x)


class ResNet18(Model):
    def __init__(self):
        super().__init__()
        self.c1 = Conv2D(64, (3, 3), padding="same", use_bias=False)
        self.b1 = BatchNormalization()
        self.a1 = Activation("relu")
        self.blocks = keras.Sequential()
        for stage, filters in enumerate((64, 128, 256, 512)):
            self.blocks.add(ResnetBlock(filters, strides=2 if stage else 1, projection=stage > 0))
            self.blocks.add(ResnetBlock(filters))
        self.p1 = GlobalAveragePooling2D()
        self.f1 = Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2())  # the notes have it

    def call(self, x, training=None):
        x = self.a1(self.b1(self.c1(x), training=training))
        x = self.blocks(x, training=training)
        x = self.p1(x)
        return self.f1(x)


# By the names of the course's builders.
NETS = {
    "baseline": Baseline,
    "lenet5": LeNet5,
    "alexnet8": AlexNet8,
    "vgg16": VGG16,
    "inception10": Inception10,
    "resnet18": ResNet18,
}
