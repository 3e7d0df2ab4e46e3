"""TensorFlow's private module paths (`tensorflow.python...`, `tensorflow.core...`) and what each stands for here.

Programs of every era import from them: `from tensorflow.python.framework import ops`. `MODULES` has one row for each
path; a name is looked up in the row's sources from left to right. `NAMES` lists the single names that are called
otherwise in public. Asked by the import finder only.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from types import ModuleType
from typing import Any

# Path -> sources: `tf...` is a namespace of TensorFlow 2, `v1...` one of `tf.compat.v1`, and `penstock...` a module
# for what has no public name.
MODULES: dict[str, str] = {
    # tensors, graphs, types
    "python.framework.config": "penstock.runtime.determinism tf.config tf.config.experimental",
    "python.framework.composite_tensor": "penstock.types.composite",
    "python.framework.constant_op": "tf v1 penstock.standin.framework",
    "python.framework.device": "tf v1",
    "python.framework.dtypes": "tf.dtypes tf v1",
    "python.framework.errors": "tf.errors v1.errors",
    "python.framework.errors_impl": "tf.errors v1.errors",
    "python.framework.extension_type": "tf.experimental",
    "python.framework.func_graph": "penstock.graph.func_graph",
    "python.framework.function": "penstock.standin.framework tf v1",
    "python.framework.graph_io": "v1.train tf.io",
    "python.framework.convert_to_constants": "penstock.tracing.freezing",
    "python.framework.graph_util_impl": "v1.graph_util",
    "python.framework.graph_util": "v1.graph_util",
    "python.framework.importer": "tf.graph_util v1",
    "python.framework.indexed_slices": "tf v1",
    "python.framework.meta_graph": "v1.train",
    "python.framework.ops": "tf v1 penstock.standin.framework tf.__internal__ penstock.standin.control_flow_util",
    "python.framework.device_spec": "tf v1",
    "python.framework.random_seed": "v1 tf.random penstock.standin.framework",
    "python.framework.smart_cond": "tf.__internal__.smart_cond penstock.ops.grouping",
    "python.framework.sparse_tensor": "tf v1 penstock.standin.framework",
    "python.framework.tensor": "tf v1",
    "python.framework.tensor_conversion": "tf v1",
    "python.framework.tensor_shape": "tf v1 penstock.types.shapes penstock.standin.framework",
    "python.framework.tensor_spec": "tf penstock.types.specs",
    "python.framework.tensor_util": "tf v1 penstock.standin.framework",
    "python.framework.test_util": "tf.test penstock.testing.graph_modes penstock.standin.framework",
    "python.framework.type_spec": "tf penstock.types.type_spec",
    "python.framework.type_spec_registry": "penstock.types.type_spec",
    "python.framework.versions": "tf.version v1",
    "python.types.core": "tf tf.types.experimental",
    # eager execution
    "python.eager.backprop": "tf",
    "python.eager.context": "penstock.standin.eager_context tf v1 penstock.standin.control_flow_util",
    "python.eager.def_function": "tf",
    "python.eager.forwardprop": "tf.autodiff",
    "python.eager.monitoring": "penstock.standin.library_parts",
    "python.eager.polymorphic_function.polymorphic_function": "tf",
    # ops
    "python.ops.array_ops": "tf v1 penstock.standin.generated_ops",
    "python.ops.array_ops_stack": "tf",
    "python.ops.bitwise_ops": "tf.bitwise",
    "python.ops.candidate_sampling_ops": "tf.random tf.nn v1.nn",
    "python.ops.check_ops": "v1 tf.debugging",
    "python.ops.clip_ops": "tf v1",
    "python.ops.cond": "tf v1",
    "python.ops.confusion_matrix": "tf.math v1",
    "python.ops.control_flow_assert": "tf.debugging",
    "python.ops.control_flow_case": "tf v1",
    "python.ops.control_flow_ops": "tf v1 penstock.ops.grouping penstock.standin.control_flow_util",
    "python.ops.control_flow_util": "penstock.standin.control_flow_util",
    "python.ops.control_flow_util_v2": "penstock.standin.control_flow_util",
    "python.ops.control_flow_switch_case": "tf",
    "python.ops.critical_section_ops": "tf",
    "python.ops.ctc_ops": "v1.nn tf.nn",
    "python.ops.custom_gradient": "tf",
    "python.ops.data_flow_ops": "tf v1 tf.queue penstock.queues.staging penstock.queues.barriers",
    "python.ops.distributions.bernoulli": "v1.distributions",
    "python.ops.distributions.beta": "v1.distributions",
    "python.ops.distributions.categorical": "v1.distributions",
    "python.ops.distributions.dirichlet": "v1.distributions",
    "python.ops.distributions.dirichlet_multinomial": "v1.distributions",
    "python.ops.distributions.distribution": "v1.distributions",
    "python.ops.distributions.distributions": "v1.distributions",
    "python.ops.distributions.exponential": "v1.distributions",
    "python.ops.distributions.gamma": "v1.distributions",
    "python.ops.distributions.kullback_leibler": "v1.distributions",
    "python.ops.distributions.laplace": "v1.distributions",
    "python.ops.distributions.multinomial": "v1.distributions",
    "python.ops.distributions.normal": "v1.distributions",
    "python.ops.distributions.student_t": "v1.distributions",
    "python.ops.distributions.uniform": "v1.distributions",
    "python.ops.embedding_ops": "v1.nn tf.nn",
    "python.ops.functional_ops": "tf v1",
    "python.ops.gen_array_ops": "penstock.standin.generated_ops",
    "python.ops.gen_audio_ops": "penstock.standin.generated_ops",
    "python.ops.gen_bitwise_ops": "penstock.standin.generated_ops",
    "python.ops.gen_candidate_sampling_ops": "penstock.standin.generated_ops",
    "python.ops.gen_control_flow_ops": "penstock.standin.generated_ops",
    "python.ops.gen_ctc_ops": "penstock.standin.generated_ops",
    "python.ops.gen_data_flow_ops": "penstock.standin.generated_ops",
    "python.ops.gen_functional_ops": "penstock.standin.generated_ops",
    "python.ops.gen_image_ops": "penstock.standin.generated_ops",
    "python.ops.gen_io_ops": "penstock.standin.generated_ops",
    "python.ops.gen_linalg_ops": "penstock.standin.generated_ops",
    "python.ops.gen_list_ops": "penstock.standin.generated_ops",
    "python.ops.gen_logging_ops": "penstock.standin.generated_ops",
    "python.ops.gen_lookup_ops": "penstock.standin.generated_ops",
    "python.ops.gen_math_ops": "penstock.standin.generated_ops",
    "python.ops.gen_nn_ops": "penstock.standin.generated_ops",
    "python.ops.gen_parsing_ops": "penstock.standin.generated_ops",
    "python.ops.gen_ragged_array_ops": "penstock.standin.generated_ops",
    "python.ops.gen_ragged_conversion_ops": "penstock.standin.generated_ops",
    "python.ops.gen_ragged_math_ops": "penstock.standin.generated_ops",
    "python.ops.gen_random_ops": "penstock.standin.generated_ops",
    "python.ops.gen_resource_variable_ops": "penstock.standin.generated_ops",
    "python.ops.gen_set_ops": "penstock.standin.generated_ops",
    "python.ops.gen_sparse_ops": "penstock.standin.generated_ops",
    "python.ops.gen_spectral_ops": "penstock.standin.generated_ops",
    "python.ops.gen_state_ops": "penstock.standin.generated_ops",
    "python.ops.gen_stateful_random_ops": "penstock.standin.generated_ops",
    "python.ops.gen_stateless_random_ops": "penstock.standin.generated_ops",
    "python.ops.gen_string_ops": "penstock.standin.generated_ops",
    "python.ops.gen_summary_ops": "penstock.standin.generated_ops",
    "python.ops.gen_user_ops": "penstock.standin.generated_ops",
    "python.ops.gradients": "tf v1",
    "python.ops.gradients_impl": "tf v1",
    "python.ops.histogram_ops": "tf v1",
    "python.ops.image_ops": "tf.image v1.image",
    "python.ops.image_ops_impl": "tf.image v1.image",
    "python.ops.init_ops": "penstock.ops.variables.initializers_v1 v1.initializers v1",
    "python.ops.init_ops_v2": "penstock.ops.variables.initializers tf",
    "python.ops.io_ops": "tf.io v1 penstock.standin.generated_ops",
    "python.ops.linalg.linalg": "tf.linalg",
    "python.ops.linalg.linalg_impl": "tf.linalg",
    "python.ops.linalg.linear_operator": "tf.linalg penstock.standin.library_parts",
    "python.ops.linalg.linear_operator_addition": "penstock.standin.library_parts",
    "python.ops.linalg.linear_operator_diag": "tf.linalg",
    "python.ops.linalg.sparse.sparse": "penstock.standin.sparse_csr",
    "python.ops.linalg.sparse.sparse_csr_matrix_ops": "penstock.standin.sparse_csr",
    "python.ops.linalg_ops": "tf.linalg v1",
    "python.ops.logging_ops": "tf v1 v1.summary",
    "python.ops.lookup_ops": "tf.lookup v1 penstock.ops.lookup.tables penstock.ops.lookup.initializers",
    "python.ops.losses.losses": "v1.losses",
    "python.ops.losses.losses_impl": "v1.losses",
    "python.ops.losses.util": "v1.losses",
    "python.ops.map_fn": "tf v1",
    "python.ops.math_ops": "tf.math tf v1 penstock.standin.generated_ops",
    "python.ops.metrics": "v1.metrics",
    "python.ops.metrics_impl": "v1.metrics penstock.v1.metric",
    "python.ops.nn": "v1.nn tf.nn",
    "python.ops.nn_impl": "v1.nn tf.nn",
    "python.ops.nn_ops": "v1.nn tf.nn",
    "python.ops.numpy_ops": "tf.experimental.numpy",
    "python.ops.parallel_for.control_flow_ops": "tf",
    "python.ops.parsing_ops": "tf.io v1",
    "python.ops.partitioned_variables": "v1",
    "python.ops.list_ops": "penstock.standin.generated_ops",
    "python.ops.ragged.ragged_factory_ops": "tf.ragged",
    "python.ops.ragged.ragged_map_ops": "tf",
    "python.ops.ragged.ragged_util": "penstock.standin.library_parts",
    "python.ops.ragged.ragged_tensor": "tf",
    "python.ops.random_ops": "tf.random v1 penstock.ops.random.stateful",
    "python.ops.resource_variable_ops": "v1 tf",
    "python.ops.rnn": "v1.nn penstock.v1.rnn",
    "python.ops.rnn_cell": "v1.nn.rnn_cell",
    "python.ops.rnn_cell_impl": "v1.nn.rnn_cell penstock.v1.rnn_cell",
    "python.ops.script_ops": "tf v1",
    "python.ops.sets": "tf.sets",
    "python.ops.signal.signal": "tf.signal",
    "python.ops.sort_ops": "tf",
    "python.ops.sparse_ops": "tf.sparse v1",
    "python.ops.special_math_ops": "tf.math tf",
    "python.ops.standard_ops": "v1 tf",
    "python.ops.state_ops": "v1",
    "python.ops.stateful_random_ops": "tf.random tf.random.experimental",
    "python.ops.stateless_random_ops": "tf.random",
    "python.ops.string_ops": "tf.strings v1",
    "python.ops.summary_ops_v2": "penstock.standin.summaries tf.summary v1.summary",
    "python.ops.template": "v1",
    "python.ops.tensor_array_ops": "tf v1",
    "python.ops.variable_scope": "v1",
    "python.ops.variables": "tf v1",
    "python.ops.weights_broadcast_ops": "penstock.v1.weights",
    "python.ops.while_loop": "tf v1",
    # sessions, training, files
    "python.client.device_lib": "penstock.standin.device_lib",
    "python.client.timeline": "penstock.profiler.timeline",
    "python.client.session": "v1 penstock.standin.framework",
    "python.checkpoint.checkpoint": "tf.train",
    "python.checkpoint.checkpoint_management": "v1.train",
    "python.checkpoint.checkpoint_options": "tf.train",
    "python.checkpoint.checkpoint_view": "tf.train",
    "python.checkpoint.trackable_view": "tf.train",
    "python.layers.base": "v1.layers",
    "python.layers.convolutional": "v1.layers",
    "python.layers.core": "v1.layers",
    "python.layers.layers": "v1.layers",
    "python.layers.normalization": "v1.layers",
    "python.layers.pooling": "v1.layers",
    "python.layers.utils": "penstock.ops.grouping",
    "python.lib.io.file_io": "penstock.standin.file_io",
    "python.lib.io.python_io": "v1.python_io",
    "python.lib.io.tf_record": "tf.io v1.io",
    "python.module.module": "tf",
    "python.platform.app": "v1.app",
    "python.platform.benchmark": "tf.test",
    "python.platform.flags": "penstock.platform.flags",
    "python.platform.gfile": "v1.gfile tf.io.gfile",
    "python.platform.googletest": "tf.test v1.test",
    "python.platform.resource_loader": "v1.resource_loader",
    "python.platform.test": "tf.test v1.test",
    "python.platform.tf_logging": "v1.logging penstock.platform.tf_logging",
    "python.profiler.model_analyzer": "v1.profiler",
    "python.profiler.option_builder": "v1.profiler",
    "python.profiler.profiler": "v1.profiler",
    "python.profiler.profiler_v2": "tf.profiler.experimental",
    "python.eager.wrap_function": "v1 penstock.tracing.freezing",
    "python.saved_model.constants": "v1.saved_model.constants",
    "python.saved_model.loader_impl": "v1.saved_model.loader v1.saved_model penstock.saving.saved_model_files",
    "python.saved_model.main_op": "v1.saved_model.main_op",
    "python.saved_model.main_op_impl": "v1.saved_model.main_op",
    "python.saved_model.builder_impl": "v1.saved_model.builder v1.saved_model",
    "python.saved_model.load_context": "penstock.saving.legacy_keras",
    "python.saved_model.model_utils.mode_keys": "penstock.standin.library_parts",
    "python.saved_model.nested_structure_coder": "penstock.saving.structured_values",
    "python.saved_model.save_options": "tf.saved_model",
    "python.saved_model.load_options": "tf.saved_model",
    "python.saved_model.saved_model": "v1.saved_model",
    "python.saved_model.signature_def_utils_impl": "v1.saved_model.signature_def_utils v1.saved_model",
    "python.saved_model.simple_save": "v1.saved_model",
    "python.saved_model.utils_impl": "v1.saved_model.utils v1.saved_model",
    "python.saved_model.builder": "v1.saved_model.builder v1.saved_model",
    "python.saved_model.load": "tf.saved_model",
    "python.saved_model.loader": "v1.saved_model.loader",
    "python.saved_model.save": "tf.saved_model",
    "python.saved_model.signature_constants": "tf.saved_model v1.saved_model.signature_constants",
    "python.saved_model.signature_def_utils": "v1.saved_model.signature_def_utils v1.saved_model",
    "python.saved_model.tag_constants": "tf.saved_model v1.saved_model.tag_constants",
    "python.saved_model.utils": "v1.saved_model.utils v1.saved_model",
    "python.summary.summary": "v1.summary",
    "python.summary.summary_iterator": "v1.train",
    "python.summary.writer.event_file_writer": "penstock.standin.summaries",
    "python.summary.writer.writer": "v1.summary",
    "python.summary.writer.writer_cache": "v1.summary",
    "python.pywrap_tensorflow": "v1.train v1.python_io penstock.saving.checkpoint_reader",
    "python.tools.freeze_graph": "penstock.saving.freeze_graph",
    "python.tools.inspect_checkpoint": "penstock.saving.inspect_checkpoint",
    "python.tools.optimize_for_inference_lib": "penstock.runtime.inference_graphs v1.graph_util",
    "python.tools.strip_unused_lib": "penstock.runtime.inference_graphs",
    "python.trackable.autotrackable": "penstock.types.trackable",
    "python.trackable.base": "penstock.types.trackable",
    "python.trackable.data_structures": "penstock.types.data_structures",
    "python.trackable.resource": "penstock.ops.trackable_resource",
    "python.training.adadelta": "v1.train",
    "python.training.adagrad": "v1.train",
    "python.training.adagrad_da": "v1.train",
    "python.training.adam": "v1.train",
    "python.training.basic_loops": "v1.train",
    "python.training.basic_session_run_hooks": "v1.train",
    "python.training.checkpoint_management": "v1.train tf.train",
    "python.training.checkpoint_state_pb2": "penstock.saving.checkpoint_state penstock.standin.messages",
    "python.training.checkpoint_utils": "tf.train v1.train",
    "python.training.coordinator": "tf.train v1.train",
    "python.training.device_setter": "v1.train",
    "python.training.ftrl": "v1.train",
    "python.training.gradient_descent": "v1.train",
    "python.training.input": "v1.train",
    "python.training.learning_rate_decay": "v1.train",
    "python.training.momentum": "v1.train",
    "python.training.monitored_session": "v1.train penstock.train.monitored_session",
    "python.training.moving_averages": "v1.train tf.train penstock.train.moving_averages",
    "python.training.optimizer": "v1.train",
    "python.training.proximal_adagrad": "v1.train",
    "python.training.proximal_gradient_descent": "v1.train",
    "python.training.py_checkpoint_reader": "v1.train penstock.saving.checkpoint_reader",
    "python.training.queue_runner": "v1.train",
    "python.training.queue_runner_impl": "v1.train",
    "python.training.rmsprop": "v1.train",
    "python.training.saver": "v1.train tf.train penstock.saving.saveable_object",
    "python.training.saving.saveable_object": "penstock.saving.saveable_object",
    "python.training.server_lib": "tf.train v1.train",
    "python.training.session_manager": "v1.train",
    "python.training.session_run_hook": "v1.train",
    "python.training.slot_creator": "penstock.train.slot_creator",
    "python.training.summary_io": "v1.train penstock.standin.summaries",
    "python.training.supervisor": "v1.train",
    "python.training.sync_replicas_optimizer": "v1.train",
    "python.training.tracking.base": "penstock.types.trackable",
    "python.training.tracking.data_structures": "penstock.types.data_structures",
    "python.training.tracking.tracking": "penstock.types.trackable",
    "python.training.tracking.util": "v1.train tf.train",
    "python.training.tracking.python_state": "tf.train.experimental",
    "python.training.training_ops": "tf.raw_ops",
    "python.training.warm_starting_util": "v1.train",
    "python.training.evaluation": "v1.contrib.training penstock.standin.library_parts",
    "python.training.training": "v1.train tf.train",
    "python.training.training_util": "v1.train tf.io",
    "python.user_ops.user_ops": "v1.user_ops",
    # input pipelines, distribution, feature columns
    "python.data.experimental.ops.batching": "tf.data.experimental",
    "python.data.experimental.ops.distribute": "penstock.standin.batch_size",
    "python.data.ops.dataset_ops": "tf.data tf v1.data",
    "python.data.ops.from_generator_op": "penstock.data.generators",
    "python.data.ops.from_sparse_tensor_slices_op": "penstock.data.sources",
    "python.data.ops.from_tensor_slices_op": "penstock.data.sources",
    "python.data.ops.from_tensors_op": "penstock.data.sources",
    "python.data.ops.range_op": "penstock.data.sources",
    "python.data.util.nest": "tf.nest tf.__internal__.nest",
    "python.data.util.structure": "tf",
    "python.data.ops.iterator_ops": "tf.data v1.data",
    "python.data.ops.options": "tf.data",
    "python.data.ops.readers": "tf.data",
    "python.distribute.cluster_resolver": "tf.distribute.cluster_resolver",
    "python.distribute.distribute_lib": "tf.distribute",
    "python.distribute.distribute_utils": "penstock.standin.library_parts",
    "python.distribute.input_ops": "penstock.standin.library_parts",
    "python.distribute.input_lib": "tf.distribute",
    "python.distribute.mirrored_strategy": "tf.distribute",
    "python.distribute.reduce_util": "tf.distribute",
    "python.distribute.values": "tf.distribute",
    "python.feature_column.feature_column_v2": "tf.feature_column",
    # everything else
    "python.autograph.impl.api": "tf.autograph tf.autograph.experimental",
    "python.compat.v2_compat": "v1",
    "python.tf2": "tf.__internal__.tf2",
    "python.util.compat": "tf.compat penstock.ops.text_compatibility",
    "python.util.deprecation": "penstock.standin.deprecation v1",
    "python.util.all_util": "penstock.standin.python_tools",
    "python.util.dispatch": "tf.__internal__.dispatch penstock.ops.op_dispatchers penstock.ops.dispatch",
    "python.util.nest": "tf.nest tf.__internal__.nest penstock.types.nest penstock.standin.library_parts",
    "python.util.object_identity": "penstock.standin.object_identity",
    "python.util.tf_contextlib": "penstock.standin.python_tools",
    "python.util.tf_decorator": "penstock.engine.wrappers",
    "python.util.tf_export": "penstock.standin.tf_export",
    "python.util.tf_inspect": "penstock.standin.python_tools",
    "python.util.variable_utils": "penstock.standin.library_parts",
    "python.pywrap_tfe": "penstock.standin.library_parts",
    "tools.docs.doc_controls": "penstock.standin.doc_controls",
    "python.compiler.xla.xla": "penstock.standin.xla_ops tf.xla.experimental",
    "python.compiler.xla.experimental.xla_sharding": "tf.xla.experimental",
    "compiler.tf2xla.python.xla": "penstock.standin.xla_ops",
    "compiler.xla.xla_data_pb2": "penstock.standin.xla_ops",
    "core.example.example_pb2": "tf.train",
    "core.example.feature_pb2": "tf.train",
    "core.protobuf.queue_runner_pb2": "penstock.standin.messages",
    "core.protobuf.saved_model_pb2": "penstock.standin.messages",
    "core.protobuf.tensor_bundle_pb2": "penstock.standin.messages",
    "examples.tutorials.mnist.input_data": "penstock.standin.mnist",
}

# Files of packages of `tf.contrib`: what they define is in the package, and of slim in its parts.
CONTRIB_FILES: dict[str, str] = {
    "crf": "python.ops.crf",
    "legacy_seq2seq": "python.ops.seq2seq",
    "losses": "python.losses.loss_ops",
    "metrics": "python.ops.metric_ops",
    "opt": "python.training.external_optimizer",
    "rnn": "python.ops.core_rnn python.ops.core_rnn_cell python.ops.gru_ops python.ops.lstm_ops python.ops.rnn_cell",
    "seq2seq": "python.ops.attention_wrapper python.ops.basic_decoder python.ops.beam_search_decoder python.ops.decoder "
    "python.ops.helper python.ops.loss",
    "slim.evaluation": "python.slim.evaluation",
    "slim.learning": "python.slim.learning",
    "training": "python.training.evaluation python.training.hparam python.training.training",
}
MODULES |= {
    f"contrib.{package.partition('.')[0]}.{file}": f"v1.contrib.{package}"
    for package, files in CONTRIB_FILES.items()
    for file in files.split()
}

# Names whose public name is another one.
NAMES: dict[str, str] = {
    "python.ops.weights_broadcast_ops.assert_broadcastable": "penstock.v1.weights.check_broadcastable",
    "python.ops.rnn_cell_impl.assert_like_rnncell": "penstock.v1.rnn_cell.check_cell",
    "python.ops.rnn_cell_impl._zero_state_tensors": "penstock.v1.rnn_cell.zero_state",
    "python.ops.rnn._transpose_batch_time": "penstock.v1.rnn.transpose_batch_time",
    "python.training.evaluation._StopAfterNEvalsHook": "v1.contrib.training.StopAfterNEvalsHook",
    "python.training.evaluation._evaluate_once": "v1.contrib.training.evaluate_once",
    "python.data.ops.from_generator_op._GeneratorDataset": "penstock.data.generators.Generator",
    "python.data.ops.from_sparse_tensor_slices_op._SparseTensorSliceDataset": "penstock.data.sources.Slices",
    "python.data.ops.from_tensor_slices_op._TensorSliceDataset": "penstock.data.sources.Slices",
    "python.data.ops.from_tensors_op._TensorDataset": "penstock.data.sources.Tensors",
    "python.data.ops.range_op._RangeDataset": "penstock.data.sources.Range",
    "python.data.ops.iterator_ops.OwnedIterator": "tf.data.Iterator",
    "python.trackable.resource.RestoredResource": "penstock.ops.trackable_resource.TrackableResource",
    "python.util.nest.is_sequence": "tf.nest.is_nested",
    "python.util.nest._is_namedtuple": "penstock.types.nest_kinds.is_namedtuple",
    "python.util.nest._sequence_like": "penstock.types.nest_kinds.sequence_like",
    "python.framework.ops.name_scope_v1": "v1.name_scope",
    "python.framework.tensor_util.try_evaluate_constant": "tf.get_static_value",
    "python.framework.type_spec_registry._NAME_TO_TYPE_SPEC": "penstock.types.type_spec._BY_NAME",
    "python.framework.type_spec_registry._TYPE_SPEC_TO_NAME": "penstock.types.type_spec._NAME_OF",
    "python.ops.resource_variable_ops.BaseResourceVariable": "tf.Variable",
    "python.ops.resource_variable_ops.VariableSpec": "tf.__internal__.VariableSpec",
    "python.ops.variable_scope._get_default_variable_store": "penstock.ops.variables.scope.default_variable_store",
    "python.ops.variables.PartitionedVariable": "penstock.ops.variables.partitioned_variables.PartitionedVariable",
    "python.layers.convolutional.Convolution1D": "v1.layers.Conv1D",
    "python.layers.convolutional.Convolution2D": "v1.layers.Conv2D",
    "python.layers.convolutional.Convolution2DTranspose": "v1.layers.Conv2DTranspose",
    "python.layers.convolutional.Convolution3D": "v1.layers.Conv3D",
    "python.layers.convolutional.Convolution3DTranspose": "v1.layers.Conv3DTranspose",
    "python.layers.convolutional.SeparableConvolution2D": "v1.layers.SeparableConv2D",
    "python.saved_model.nested_structure_coder.encode_structure": "penstock.saving.structured_values.encode",
    "python.saved_model.nested_structure_coder.decode_proto": "penstock.saving.structured_values.decode",
    "python.saved_model.nested_structure_coder.can_encode": "penstock.saving.structured_values.can_encode",
    "python.ops.rnn_cell_impl._like_rnncell": "penstock.standin.library_parts._like_rnncell",
    "python.ops.rnn_cell_impl._concat": "penstock.standin.library_parts._concat",
    "python.ops.linalg.sparse.sparse.CSRSparseMatrix": "penstock.standin.sparse_csr.SparseMatrix",
    "python.layers.utils.smart_cond": "tf.__internal__.smart_cond.smart_cond",
    "python.layers.utils.constant_value": "tf.get_static_value",
    "python.layers.utils.smart_constant_value": "penstock.ops.grouping.smart_constant_value",
    "python.ops.init_ops.Constant": "v1.constant_initializer",
    "python.ops.init_ops.Ones": "v1.ones_initializer",
    "python.ops.init_ops.RandomNormal": "v1.random_normal_initializer",
    "python.ops.init_ops.RandomUniform": "v1.random_uniform_initializer",
    "python.ops.init_ops.TruncatedNormal": "v1.truncated_normal_initializer",
    "python.ops.init_ops.Zeros": "v1.zeros_initializer",
    "python.ops.gradients_impl.gradients_v2": "tf.gradients",
    "python.ops.variable_scope.variable": "tf.Variable",
    "python.data.ops.dataset_ops.DatasetV1": "v1.data.Dataset",
    "python.data.ops.dataset_ops.DatasetV2": "tf.data.Dataset",
    "python.data.ops.dataset_ops.get_legacy_output_shapes": "v1.data.get_output_shapes",
    "python.data.ops.dataset_ops.get_legacy_output_types": "v1.data.get_output_types",
    "python.eager.def_function.Function": "tf.types.experimental.GenericFunction",
    "python.framework.ops.name_scope": "v1.name_scope",
    "python.framework.ops.executing_eagerly_outside_functions": "v1.executing_eagerly_outside_functions",
    "python.framework.tensor_util.constant_value": "tf.get_static_value",
    "python.framework.tensor_util.is_tensor": "tf.is_tensor",
    "python.framework.tensor_util.is_tf_type": "tf.is_tensor",
    "python.framework.tensor_util.MakeNdarray": "tf.make_ndarray",
    "python.framework.test_util.TensorFlowTestCase": "tf.test.TestCase",
    "python.framework.versions.__version__": "tf.__version__",
    "python.platform.googletest.GetTempDir": "v1.test.get_temp_dir",
    "python.ops.parallel_for.control_flow_ops.pfor": "tf.vectorized_map",
    "python.ops.sets.set_intersection": "tf.sets.intersection",
}

# The protocol buffers keep TensorFlow's own file names in the tensorboard package.
PROTOCOL_BUFFERS = re.compile(r"core\.(?:framework|protobuf|util|profiler)\.(\w+_pb2)$")
PROTOCOL_BUFFER_PACKAGE = "tensorboard.compat.proto"

# AutoGraph is a package of its own, with TensorFlow's own layout, which Penstock uses too.
AUTOGRAPH = re.compile(r"python\.autograph\.((?:converters|core|pyct)\b[\w.]*)$")
AUTOGRAPH_PACKAGE = "malt"

ROOTS = frozenset(name.partition(".")[0] for name in MODULES) - {"contrib"}  # which is a public namespace
PACKAGES = frozenset(
    ".".join(parts[:length])
    for parts in (
        name.split(".")
        for name in [*MODULES, "core.framework.x", "core.profiler.x", "core.protobuf.x", "core.util.x"]
    )
    for length in range(1, len(parts))
)

# Keras and other clients tell TensorFlow's objects by the name and module of their class, without importing it:
# public name -> the class's name and home. Pickles hold on, because the home resolves through `MODULES`.
CLASS_HOMES: dict[str, tuple[str, str]] = {
    "Tensor": ("Tensor", "python.framework.tensor"),
    "RaggedTensor": ("RaggedTensor", "python.ops.ragged.ragged_tensor"),
    "SparseTensor": ("SparseTensor", "python.framework.sparse_tensor"),
    "data.Dataset": ("DatasetV2", "python.data.ops.dataset_ops"),
    "distribute.DistributedDataset": ("DistributedDataset", "python.distribute.input_lib"),
}

_loaded: dict[str, ModuleType] = {}


def module(path: str) -> ModuleType | None:
    """The module that stands for the private `path` (without the leading `tensorflow.`), or None."""
    buffers = PROTOCOL_BUFFERS.match(path)
    if buffers is not None and path not in MODULES:
        name = f"{PROTOCOL_BUFFER_PACKAGE}.{buffers[1]}"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None
    autograph = AUTOGRAPH.match(path)
    if autograph is not None:
        name = f"{AUTOGRAPH_PACKAGE}.{autograph[1]}"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None
    if path not in MODULES and path not in PACKAGES:
        return None
    if path not in _loaded:
        _loaded[path] = PrivateModule(path)
    return _loaded[path]


class PrivateModule(ModuleType):
    """One private module or package; a name is looked up when it is asked for, and then kept."""

    def __init__(self, path: str):
        super().__init__(
            f"tensorflow.{path}", f"Penstock's equivalent of TensorFlow's private `tensorflow.{path}`."
        )
        self.__path__: list[str] = []
        self._path = path
        self._sources = MODULES.get(path, "").split()

    def __getattr__(self, name: str) -> Any:
        found = self._public_names() if name == "__all__" else self._find(name)
        if found is None:
            raise AttributeError(
                f"tensorflow.{self._path} is private to TensorFlow; Penstock has no {name!r} there "
                f"(looked in: {', '.join(self._sources) or 'its modules'})"
            )
        self.__dict__[name] = found
        return found

    def _public_names(self) -> list[str]:
        """What `from module import *` takes."""
        sources = [vars(module) for each in self._sources if (module := _source(each)) is not None]
        return sorted(
            {
                name
                for source in sources
                for name, thing in source.items()
                if not name.startswith("_") and not isinstance(thing, ModuleType)
            }
        )

    def _find(self, name: str) -> Any:
        public = NAMES.get(f"{self._path}.{name}")
        if public is not None:
            source, _, name = public.rpartition(".")
            return getattr(_source(source), name, None)
        if name.startswith("__"):
            return None
        for source in self._sources:
            found = getattr(_source(source), name, None)
            if found is not None:
                return found
        return None


def _source(source: str) -> ModuleType | None:
    head, _, rest = source.partition(".")
    if head not in ("tf", "v1"):
        return importlib.import_module(source)
    from penstock import namespaces

    return namespaces.module(rest if head == "tf" else ".".join(["compat.v1", rest]).rstrip("."))


def claim_class_homes(root: ModuleType) -> None:
    """Gives the classes of `CLASS_HOMES` the name and module that clients look for; `root` is the `tf` namespace."""
    for public, (name, home) in CLASS_HOMES.items():
        found: Any = root
        for part in public.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type):
            found.__name__, found.__module__ = name, f"tensorflow.{home}"
