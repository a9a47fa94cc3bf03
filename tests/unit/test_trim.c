// test_trim.c -- llm/trim: what is left out of a talk that grew too long.
#include "llm/trim.h"

#include "tests/unit.h"

// S system, U user, A assistant, T tool.
static enum prl_err trim(const char *roles, const int *costs, int budget, size_t *first,
                         size_t *dropped)
{
    struct prl_llm_message messages[16] = {0};
    size_t n = 0;
    for (; roles[n]; n++) {
        enum prl_llm_role role = PRL_LLM_USER;
        if (roles[n] == 'S')
            role = PRL_LLM_SYSTEM;
        else if (roles[n] == 'A')
            role = PRL_LLM_ASSISTANT;
        else if (roles[n] == 'T')
            role = PRL_LLM_TOOL;
        messages[n].role = role;
    }
    return prl_llm_trim(messages, costs, n, budget, first, dropped);
}

PRL_TEST(trim_drops_whole_turns_oldest_first)
{
    static const int costs[16] = {10, 10, 10, 10, 10, 10, 10, 10, 10, 10};
    size_t first;
    size_t dropped;
    EXPECT_OK(trim("SUAUAU", costs, 60, &first, &dropped));
    EXPECT_INT(dropped, 0);
    EXPECT_OK(trim("SUAUAU", costs, 59, &first, &dropped));
    EXPECT_INT(first, 1);
    EXPECT_INT(dropped, 2);
    EXPECT_OK(trim("SUAUAU", costs, 20, &first, &dropped));
    EXPECT_INT(dropped, 4);
    // The newest turn stays whole, with calls and results.
    EXPECT_OK(trim("SUAUATA", costs, 69, &first, &dropped));
    EXPECT_INT(dropped, 2);
    EXPECT_INT(trim("SUAUATA", costs, 49, &first, &dropped), PRL_ERR_LIMIT);
    // A result never stays without its call.
    EXPECT_OK(trim("UATAU", costs, 30, &first, &dropped));
    EXPECT_INT(first, 0);
    EXPECT_INT(dropped, 4);
    // Two user messages in a row are one turn.
    EXPECT_OK(trim("UUAU", costs, 25, &first, &dropped));
    EXPECT_INT(dropped, 3);
}

PRL_TEST(trim_edges)
{
    size_t first;
    size_t dropped;
    static const int costs[4] = {5, 50, 5, 5};
    EXPECT_OK(prl_llm_trim(NULL, NULL, 0, 10, &first, &dropped));
    EXPECT_INT(trim("S", costs, 4, &first, &dropped), PRL_ERR_LIMIT);
    EXPECT_INT(trim("SU", costs, 10, &first, &dropped), PRL_ERR_LIMIT);
    EXPECT_INT(dropped, 0);
    // Begins with an answer (a greeting).
    static const int greeting[4] = {50, 5, 5, 5};
    EXPECT_OK(trim("AUAU", greeting, 20, &first, &dropped));
    EXPECT_INT(dropped, 1);
    // Costs that would overflow an int.
    static const int huge[4] = {2000000000, 2000000000, 2000000000, 1};
    EXPECT_OK(trim("UAUU", huge, 2000000002, &first, &dropped));
    EXPECT_INT(dropped, 2);
}
