"""The cloud's side. The car never imports it; both share ``cloud.protocol`` only."""
