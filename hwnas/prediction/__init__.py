"""Accuracy of architectures that nobody evaluated, from architectures that somebody did.

`fit` makes a predictor for any space from a few hundred evaluations; `imagenet` holds one for the
Once-for-All space that needs none.
"""

from hwnas.prediction.features import Encoding as Encoding
from hwnas.prediction.features import encoding_of as encoding_of
from hwnas.prediction.selection import Predictor as Predictor
from hwnas.prediction.selection import Score as Score
from hwnas.prediction.selection import fit as fit
