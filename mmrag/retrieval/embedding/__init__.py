"""Text to unit vectors, by any sentence-transformers model, on the fastest exact-enough path of the machine.

embedder.py    the Embedder: names, counts, embeds; opens its runtime when first needed
model.py       a model's folder: where it lies, what its files say, what they must be
runtime.py     what a runtime is, and which one this machine takes, with the reason
pytorch.py     the model as sentence-transformers runs it, on a GPU or the CPU
openvino_runtime.py  the converted model, without PyTorch
conversion.py  converted models on disk: checksummed, disposable, made once
convert.py     the process that converts a model and measures what is exact enough and fastest
"""
