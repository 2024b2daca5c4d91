"""Values that a page shows when the pointer rests on a picture."""
