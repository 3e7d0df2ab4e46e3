"""The neural-network half of TF 1: `layers`, `nn.rnn_cell` and `nn.dynamic_rnn`, `losses`, `metrics`, `contrib`."""
