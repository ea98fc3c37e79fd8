"""How often something is done."""

from skeletonllm.tasks.questions.topic import counted

TOPICS = {
    "jumps": counted("How often do both feet leave the floor?", "Both feet leave the floor {}."),
    "sinks": counted("How often do the hips sink and come up again?", "The hips sink and come up again {}."),
    "claps": counted("How often do the hands come together?", "The hands come together {}."),
    "thrusts": counted("How often is an arm thrust forward?", "An arm is thrust forward {}."),
}
