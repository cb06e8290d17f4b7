"""How static files are stored: compressed, named after their content, modules included."""

from servestatic.storage import CompressedManifestStaticFilesStorage


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Imports between JavaScript modules name the hashed files, too: after an update no page mixes old and new."""

    support_js_module_import_aggregation = True
