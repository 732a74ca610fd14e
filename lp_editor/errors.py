"""What can go wrong, as one small tree. The CLI prints these and exits with 2; anything else is a bug."""


class LpEditorError(Exception):
    """Base of every error a user can cause and can fix: says what, where, and what would do."""


class ParamError(LpEditorError):
    """A segment gives an effect a parameter it does not take, or a value out of range."""


class UnknownEffectError(LpEditorError):
    """A segment names an effect that no installed plugin provides."""


class PluginError(LpEditorError):
    """A plugin breaks the rules of the plugin API."""


class ProjectError(LpEditorError):
    """A project file cannot be read, or does not hold what was asked of it."""


class TimeError(LpEditorError):
    """A time cannot be read, or lies outside what it should lie in."""


class MediaError(LpEditorError):
    """Media is missing, broken, or of a kind we cannot read or write."""


class FaceError(LpEditorError):
    """No face, or not the one asked for, where a segment needs one."""


class EngineError(LpEditorError):
    """No engine of that name, or an engine that cannot run here."""


class WeightsError(EngineError):
    """A file of network weights is missing, damaged, or not what its name says."""


class OutputError(LpEditorError):
    """A result cannot be written: it exists already, or the place does not take it."""


class CacheError(LpEditorError):
    """What is kept from earlier work is damaged or gone, where it cannot simply be made again."""


class Cancelled(LpEditorError):
    """The user stopped the work."""
