"""The graph of a Keras model, through nested models and blocks: which layer is used after which.

`summary` counts along it, `figures` draws it. Keras is imported when a function is called, not before.
"""


def own_graph(model):
    """Return (input tensors, output tensors) of a Sequential or functional model, None for others."""
    outputs = getattr(model, "outputs", None)
    return (model.inputs, outputs) if outputs else None


def graph_of(model):
    """Return (input tensors, output tensors) of a built model.

    A subclassed model is called on a symbolic input of the shape that it was built with, which leaves a graph behind.
    Raises ValueError where its `call` does more than call Keras layers and keras.ops.
    """
    return own_graph(model) or _trace(model)


def _trace(model):
    import keras

    shape = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, (tuple, list)) or not all(side is None or isinstance(side, int) for side in shape):
        raise ValueError(f"model={model.name!r} was not built on one input tensor: its input_shape is {shape}")
    x = keras.Input(shape[1:])
    try:
        return [x], keras.tree.flatten(model.call(x))
    except Exception as error:
        raise ValueError(
            f"model={model.name!r} cannot be followed: its call() must take one tensor and use Keras layers and keras.ops only "
            f"({type(error).__name__}: {error})"
        ) from error


def inner_graph(layer, node):
    """Return the graph inside a nested model or a block of one's own, None for a plain layer."""
    import keras

    if not isinstance(layer, keras.layers.Layer):
        return None
    if isinstance(layer, keras.Model):
        graph = own_graph(layer)
        if graph:
            return graph if len(graph[0]) == len(node.input_tensors) else None
    elif type(layer).__module__.startswith("keras.") or not list(layer._flatten_layers(include_self=False)):
        return None
    fresh = {id(x): keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in node.input_tensors}
    arguments = keras.tree.map_structure(
        lambda value: fresh.get(id(value), value), (node.arguments.args, node.arguments.kwargs)
    )
    try:
        outputs = layer.call(*arguments[0], **arguments[1])
        return [fresh[id(x)] for x in node.input_tensors], keras.tree.flatten(outputs)
    except Exception:  # a block that does more than Keras can follow stays one row
        return None


def nodes(inputs, outputs):
    """Return the nodes (uses of layers) between the tensors, each after those that it needs."""

    def node_of(tensor):
        history = tensor._keras_history
        return history.operation._inbound_nodes[history.node_index]

    ordered, entered, ends = [], set(), {id(x) for x in inputs}
    stack = [(node_of(x), False) for x in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if ready:
            ordered.append(node)
        elif id(node) not in entered:
            entered.add(id(node))
            stack.append((node, True))
            if not any(id(x) in ends for x in node.output_tensors):
                stack.extend((node_of(x), False) for x in reversed(node.input_tensors))
    return ordered
