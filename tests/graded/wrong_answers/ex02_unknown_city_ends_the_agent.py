"""Rejected by test_the_tool_gets_its_arguments_and_an_unknown_city_is_an_error: it raises."""
# ruff: noqa: F821


def run_tool(name, arguments):
    # BEGIN SOLUTION ex02.4: read the arguments, call the function, write what comes of it
    return json.dumps(TOOLS[name](**json.loads(arguments)))
    # END SOLUTION ex02.4
