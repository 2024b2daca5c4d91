from .readers.read import read_study as read_study
from .scores import read_scores as read_scores
from .study import StudyTable as StudyTable
from .table import Trials as Trials
from .table import read_trials as read_trials
