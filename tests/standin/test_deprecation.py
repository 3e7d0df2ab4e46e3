"""TensorBoard silences TensorFlow's warnings around each file that it reads."""

from penstock.standin import deprecation


def test_silence_can_be_entered_again_and_again():
    for _ in range(2):
        with deprecation.silence():
            pass
