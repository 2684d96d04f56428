import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path.append(str(TESTS / "conformance"))  # the recorded cases
