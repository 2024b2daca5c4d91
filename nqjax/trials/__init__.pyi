from .scores import read_scores as read_scores
from .table import Trials as Trials
from .table import read_trials as read_trials
