"""Voice activity: the network, the decisions on it, the scenes and costs they are judged by."""
