"""The operators that converted code calls: `if x:` becomes `ag__.if_stmt(x, ...)`, and so on.

Each does what Python does where it is given Python values, and builds or runs ops where it is given tensors.
"""

from __future__ import annotations

from penstock.tracing.autograph.operators.assertions import assert_stmt
from penstock.tracing.autograph.operators.conditionals import if_exp, if_stmt
from penstock.tracing.autograph.operators.for_loops import for_stmt
from penstock.tracing.autograph.operators.function_scope import FunctionScope, with_function_scope
from penstock.tracing.autograph.operators.lists import (
    ListPopOpts,
    ListStackOpts,
    list_append,
    list_pop,
    list_stack,
    new_list,
)
from penstock.tracing.autograph.operators.logical import and_, eq, not_, not_eq, or_
from penstock.tracing.autograph.operators.slices import GetItemOpts, get_item, set_item, update_item_with_op
from penstock.tracing.autograph.operators.variables import Undefined, UndefinedReturnValue, ld, ldu
from penstock.tracing.autograph.operators.while_loops import while_stmt

# Name in converted code -> operator.
OPERATORS = {
    each.__name__: each
    for each in (
        FunctionScope,
        GetItemOpts,
        ListPopOpts,
        ListStackOpts,
        Undefined,
        UndefinedReturnValue,
        and_,
        assert_stmt,
        eq,
        for_stmt,
        get_item,
        if_exp,
        if_stmt,
        ld,
        ldu,
        list_append,
        list_pop,
        list_stack,
        new_list,
        not_,
        not_eq,
        or_,
        set_item,
        update_item_with_op,
        while_stmt,
        with_function_scope,
    )
}
