"""Network morphisms applied to tensors: a parent's weights become its child's, and Eq. (1) is measured.

calibration.py: the statistics that a new BatchNorm starts from; weights.py: one weight rule per morphism;
children.py: chains of morphisms; seal.py: the check that the child computes what the parent computes.
unmodified.py: the paper's comparison without all this.
"""

from searches.nash.inheritance.calibration import Statistics, calibrate, exact_evaluation
from searches.nash.inheritance.children import inherit, inherit_from_statistics
from searches.nash.inheritance.seal import Seal, measure_seal
from searches.nash.inheritance.unmodified import inherit_unmodified, modified_layers
from searches.nash.inheritance.weights import WEIGHT_RULES

__all__ = [
    "WEIGHT_RULES",
    "Seal",
    "Statistics",
    "calibrate",
    "exact_evaluation",
    "inherit",
    "inherit_from_statistics",
    "inherit_unmodified",
    "measure_seal",
    "modified_layers",
]
