"""transformers: small BERT and GPT-2 models from configurations train and generate."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tensorflow as tf
from transformers import BertConfig, GPT2Config, TFBertForSequenceClassification, TFGPT2LMHeadModel

small = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
}
bert = TFBertForSequenceClassification(BertConfig(**small, num_labels=2))
ids = np.random.default_rng(0).integers(0, 100, size=(8, 12))
labels = (ids[:, 0] > 50).astype("int32")
optimizer = tf.keras.optimizers.Adam(1e-3)
losses = []
for _ in range(5):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(bert(ids, labels=labels, training=True).loss)
    gradients = tape.gradient(loss, bert.trainable_variables)
    for variable, gradient in zip(bert.trainable_variables, gradients):
        if gradient is not None:
            variable.assign_sub(0.1 * tf.convert_to_tensor(gradient))
    losses.append(float(loss))
assert losses[-1] < losses[0], losses

gpt2 = TFGPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=100, n_positions=64))
text = gpt2.generate(tf.constant(ids[:2, :4]), max_new_tokens=8, do_sample=False, pad_token_id=0)
assert text.shape == (2, 12), text.shape
sampled = gpt2.generate(
    tf.constant(ids[:2, :4]), max_new_tokens=8, do_sample=True, top_k=5, seed=(1, 2), pad_token_id=0
)
assert sampled.shape[0] == 2
