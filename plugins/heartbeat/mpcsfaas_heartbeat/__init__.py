"""The failure detectors that come with mpcsfaas, each module a plugin of its own: heartbeat, phi_accrual."""
