"""Task systems behind one interface; see `base.System`. Each is imported only when it is to be measured."""
