"""Look around an alert without touching anything: reads only, and returns Findings.

`survey` asks the sources, one module each, concurrently where they do not need each other; each has its own time limit,
and a source that fails or is not configured becomes a Finding that says so: it is named and left out, never waited for,
and never an error of the whole. Here belongs whatever helps a person to understand an alert. What should be done about
it does not; neither does anything that changes the cluster, and the database is not known here: what the store knows of
the past is handed in. Everything that others wrote is masked and bounded before it leaves. Only the pipeline comes in.
"""

from receiver.enrich.mask import Mask
from receiver.enrich.past import Past, PastRun
from receiver.enrich.survey import Around, Survey, look

__all__ = ["Around", "Mask", "Past", "PastRun", "Survey", "look"]
