"""The package behind the course: geometry, summaries, data, training, figures, widgets.

Importing it loads neither TensorFlow nor NumPy; import the module that you need.
"""
