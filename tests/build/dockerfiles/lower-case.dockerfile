from alpine as base
run true
copy --from=base /a /b
cmd ["a"]
