from .empirical import Empirical as Empirical
from .quadratic import NoisyQuadratic as NoisyQuadratic
from .quadratic import Quadratic as Quadratic
