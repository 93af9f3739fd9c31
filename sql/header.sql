\echo Use "CREATE EXTENSION crm" to load this file. \quit

