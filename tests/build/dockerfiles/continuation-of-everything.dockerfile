F\
ROM al\
pine
RU\
N tr\
ue
