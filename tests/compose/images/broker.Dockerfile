# In the place of eclipse-mosquitto: the plug-in where that image has it, and a data folder of its user.
FROM stand-in:debian
RUN ln -s /usr/lib/*/mosquitto_dynamic_security.so /usr/lib/ && install -d -o 1883 -g 1883 /mosquitto/data
