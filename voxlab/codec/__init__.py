"""A neural audio codec that can be taken apart: sound in, K small numbers a frame, sound out.

`quantizer` is the idea (residual vector quantization), `bitrate` its price, `mini` a codec trained
here, `encodec` Meta's behind the same protocol (`base`). `train` trains the mini codec anew.
"""
