"""The dispatch strategy contract, case by case; `mpcsfaas.testing.strategy_contract` puts them together."""
