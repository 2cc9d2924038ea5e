"""The serializers that come with mpcsfaas, each module a plugin of its own: dill, cloudpickle, msgpack, json."""
