"""Rejected by test_the_model_is_told_the_name_and_both_arguments_of_the_tool: in a wrapper."""


def weather_tool():
    # BEGIN SOLUTION ex02.1: a function tool with a description and an object of two strings
    properties = {
        "city": {"type": "string", "description": "name of a city"},
        "day": {"type": "string", "description": "a weekday, today or tomorrow"},
    }
    function = {
        "name": "get_weather",
        "description": "Get the weather forecast of a city for a day.",
        "parameters": {"type": "object", "properties": properties, "required": ["city", "day"]},
    }
    return {"type": "function", "function": function}
    # END SOLUTION ex02.1
