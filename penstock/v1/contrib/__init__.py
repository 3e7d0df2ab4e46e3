"""The pieces of `tf.contrib` that TF 1 programs use most: layers, slim, rnn, seq2seq, crf, training, framework."""
